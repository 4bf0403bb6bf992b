"""Virtual drills: the same scenario, model and rules, without HTTP and without a wall clock."""
