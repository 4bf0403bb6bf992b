// Shows what the harness sees, once a second. The view comes drawn, from this machine alone.
"use strict";

const view = document.getElementById("view");
const lost = document.getElementById("lost");
let shown = null;

async function refresh() {
  try {
    const answer = await fetch("view");
    if (answer.status === 200) {
      const html = await answer.text();
      if (html !== shown) {
        replace(html);
        shown = html;
      }
    }
    lost.hidden = answer.ok;
  } catch {
    lost.hidden = false;
  }
  setTimeout(refresh, 1000);
}

// Links keep the focus, and the page its place.
function replace(html) {
  const focused = document.activeElement?.id;
  view.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// In a tab of Locust's page the frame is as high as what it shows: one scrollbar is enough.
if (window.frameElement) {
  new ResizeObserver(() => {
    window.frameElement.style.height = `${document.documentElement.offsetHeight + 16}px`;
  }).observe(document.body);
}

refresh();
