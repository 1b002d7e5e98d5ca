/*
 * Comfort only: every page works without this file.
 *
 * It loads before htmx. The page's Content-Security-Policy requires Trusted Types, so HTML reaches
 * the document through one door, the default policy below. It opens for one thing: the answer of
 * this very origin that htmx is swapping in at that moment. Strings from anywhere else, and
 * scripts of any kind, stay refused.
 */

const root = document.documentElement;
root.dataset.script = "";

let swapping = false;

if (window.trustedTypes && window.trustedTypes.createPolicy) {
  window.trustedTypes.createPolicy("default", {
    createHTML: (html) => (swapping || html === "" ? html : null),
  });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const answer = event.detail.xhr.responseURL;
  if (new URL(answer, location.href).origin !== location.origin) {
    event.preventDefault();
    return;
  }
  // Forms with errors come back as 422; their page is worth showing.
  if (event.detail.xhr.status === 422) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
  // htmx parses in the same task; the door shuts as soon as its code has returned.
  swapping = true;
  queueMicrotask(() => {
    swapping = false;
  });
});

/* A switch in a form with data-autosubmit saves itself; its save button is hidden by the sheet. */
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form) {
    form.requestSubmit();
  }
});

/*
 * A double click sends a form once. A switch is the exception: the last choice must win. The pause
 * is short, because the answer may be a download that leaves this page in place.
 */
const DOUBLE_CLICK_MS = 1500;
const sent = new WeakMap();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.matches("[data-autosubmit]")) {
    return;
  }
  if (event.timeStamp - (sent.get(form) ?? -Infinity) < DOUBLE_CLICK_MS) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  sent.set(form, event.timeStamp);
}, { capture: true });

/* The account menu closes with Escape and by a click elsewhere. */
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) {
      menu.open = false;
    }
  }
});

/* After a form came back with errors, start reading there. */
const summary = document.querySelector(".form-errors");
if (summary) {
  summary.focus();
}
