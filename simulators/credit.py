"""The world of the `credit` model: who applies for a loan, and who does not pay it back."""

from __future__ import annotations

from simulators.population import Category, Numeric, SyntheticPopulation

CREDIT = SyntheticPopulation(
    numeric=(
        Numeric("age", floor=18, median=22, spread=0.45, weight=-0.25, decimals=1),
        Numeric("income", floor=6_000, median=32_000, spread=0.4, weight=-0.8, decimals=0),
        Numeric("debt_ratio", floor=0, median=0.28, spread=0.35, weight=0.55, decimals=4),
        Numeric("utilisation", floor=0, median=0.35, spread=0.4, weight=0.45, decimals=4),
        Numeric("employment_years", floor=0, median=5, spread=0.55, weight=-0.3, decimals=2),
        Numeric("loan_amount", floor=500, median=9_000, spread=0.5, weight=0.3, decimals=0),
        Numeric("payment_delay", floor=0, median=6, spread=0.5, weight=0.5, decimals=2),
    ),
    categories=(
        Category("home", (("own", 0.25, -0.3), ("mortgage", 0.4, -0.1), ("rent", 0.35, 0.3))),
        Category(
            "purpose",
            (
                ("car", 0.35, -0.15),
                ("debt", 0.3, 0.3),
                ("education", 0.1, 0.0),
                ("home", 0.15, -0.2),
                ("medical", 0.1, 0.2),
            ),
        ),
        Category("channel", (("branch", 0.3, -0.1), ("web", 0.55, 0.0), ("partner", 0.15, 0.3))),
        Category(
            "region",
            (("north", 0.3, 0.0), ("south", 0.3, 0.0), ("east", 0.25, -0.1), ("west", 0.15, 0.15)),
        ),
    ),
    intercept=-1.9,
    correlations=(("income", "loan_amount", 0.5), ("age", "employment_years", 0.6)),
    nullable=frozenset({"employment_years", "payment_delay"}),
    segment="region",
)
"""About one applicant in five defaults."""
