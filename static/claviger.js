// What a page gains where scripts run. Nothing here is needed: every page works without it.
"use strict";

// Copy buttons arrive hidden, because without this script they would do nothing.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = words; }, 2000);
  });
}

// A password can be shown while it is typed.
for (const button of document.querySelectorAll("button[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  if (!input) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.textContent = show ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(show));
  });
  // Browsers remember text fields, and password fields not.
  input.form?.addEventListener("submit", () => { input.type = "password"; });
}

// The answer to these may show a value this one time: a second click would ask again, and take that answer's place.
for (const form of document.querySelectorAll("form:has([name=form_id]), form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // Whoever comes back to the page may send it again.
  window.addEventListener("pageshow", () => { sent = false; });
}

// Times are written in UTC; pointing at one shows it in the reader's own zone, and the foot says which that is.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = moment.toLocaleString("en", { dateStyle: "full", timeStyle: "long" });
  }
}

for (const words of document.querySelectorAll("[data-zone]")) {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "longOffset" }).formatToParts();
  const zone = parts.find((part) => part.type === "timeZoneName")?.value.replace("GMT", "UTC");
  if (zone && zone !== "UTC") words.textContent = `All times are UTC; yours is ${zone}.`;
}

// After a refused form, the first field that was wrong takes the focus; of boxes that belong together, the first one.
const wrong = document.querySelector('[aria-invalid="true"], .field__error');
(wrong?.matches("p") ? wrong.closest(".field")?.querySelector("input, select, textarea") : wrong)?.focus();
if (wrong) document.title = `Error: ${document.title}`;
