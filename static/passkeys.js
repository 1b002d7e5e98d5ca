/*
 * Says on the page what allauth's script for security keys would tell the console alone: the person
 * said no, waited too long, or the browser has no key for this site.
 */

const trouble = document.getElementById("passkey-trouble");

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  trouble.hidden = false;
});

/* A new try begins with a clean page. */
document.addEventListener("click", (event) => {
  if (event.target.closest("button")) {
    trouble.hidden = true;
  }
}, { capture: true });
