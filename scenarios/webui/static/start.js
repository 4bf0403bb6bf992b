// Locust's own page, brought to the point of a drill: the choice of scenarios is open and explains
// itself, what is refused says why, and the Alerts tab holds the live page.
"use strict";

// Locust chooses its tab by the address when a run begins.
const address = new URL(location.href);
if (!address.searchParams.has("tab")) {
  address.searchParams.set("tab", "alerts");
  history.replaceState(null, "", address);
}

const summaries = fetch("./drill/scenarios").then((answer) => answer.json());

function openChoices(form) {
  const scenario = form.querySelector('select[name="scenario"]');
  const choices = scenario?.closest(".MuiAccordion-root");
  const closed = choices?.querySelector('[aria-expanded="false"]');
  if (closed && !choices.dataset.opened) {
    choices.dataset.opened = "once"; // whoever closes it again may
    closed.click();
  }
  if (scenario && !document.getElementById("drill-summary")) {
    const summary = document.createElement("p");
    summary.id = "drill-summary";
    summary.setAttribute("aria-live", "polite");
    const explain = () => summaries.then((all) => (summary.textContent = all[scenario.value] ?? ""));
    scenario.addEventListener("change", explain);
    scenario.closest(".MuiFormControl-root").after(summary);
    explain();
  }
}

function embedLivePage() {
  const tabs = document.querySelector('[role="tablist"]');
  const chosen = tabs?.querySelector('[role="tab"][aria-selected="true"]');
  const frame = document.getElementById("drill-live");
  if (chosen?.textContent !== "Alerts") {
    frame?.remove();
  } else if (!frame) {
    const live = document.createElement("iframe");
    live.id = "drill-live";
    live.title = "The drill, live";
    live.src = "./drill/live";
    tabs.closest(".MuiContainer-root, main, #root").append(live);
  }
}

// The page in the frame takes its colours from `prefers-color-scheme`, which within a frame is what
// the frame's own style says: Locust's toggle rather than the browser's setting.
function followTheme() {
  const frame = document.getElementById("drill-live");
  if (!frame) return;
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
  const scheme = (Number(red) + Number(green) + Number(blue)) / 3 < 128 ? "dark" : "light";
  if (frame.style.colorScheme !== scheme) frame.style.colorScheme = scheme;
}

// Locust's page shows neither why a start was refused, nor the end of a run of which it hears while
// users are still stopping: in that state it stops asking.
const send = window.fetch;
window.fetch = async (...request) => {
  const answer = await send(...request);
  const url = typeof request[0] === "string" ? request[0] : request[0].url;
  const path = new URL(url, location.href).pathname;
  if (path.endsWith("/swarm")) {
    const said = answer.ok ? null : await answer.clone().json().catch(() => null);
    showProblem(said?.message ?? "");
  }
  return path.endsWith("/stats/requests") && answer.ok ? untilStopped(answer) : answer;
};

async function untilStopped(answer) {
  const report = await answer.json();
  const ending = ["cleanup", "stopping"].includes(report.state);
  return Response.json({ ...report, state: ending ? "running" : report.state });
}

function showProblem(message) {
  document.getElementById("drill-problem")?.remove();
  const form = document.querySelector("form");
  if (message && form) {
    const problem = document.createElement("p");
    problem.id = "drill-problem";
    problem.setAttribute("role", "alert");
    problem.textContent = message;
    form.prepend(problem);
  }
}

new MutationObserver(() => {
  document.querySelectorAll("form").forEach(openChoices);
  embedLivePage();
  followTheme();
}).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
