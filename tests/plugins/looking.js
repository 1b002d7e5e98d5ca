/*
 * What can be seen to be wrong with an open page, as a list of sentences. Nothing is changed but
 * the focus, which walks once over everything that can have it and is let go in the end.
 */
() => {
  const wrong = [];
  const shown = (each) =>
    each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length > 0;
  // What only a screen reader meets is squeezed into one pixel.
  const legible = (each) => shown(each) && each.getBoundingClientRect().width > 4;
  const described = (each) => {
    const words = (each.getAttribute("name") || each.innerText || each.value || "").trim();
    return `<${each.tagName.toLowerCase()}> “${words.split("\n")[0].slice(0, 40)}”`;
  };

  const [title] = document.title.split(" · ");
  if (!title.trim()) {
    wrong.push(`its title is “${document.title}”`);
  }
  const heads = [...document.querySelectorAll("h1")].filter(shown);
  if (heads.length !== 1) {
    wrong.push(`it has ${heads.length} h1`);
  }

  const silent = "[type=hidden], [type=submit], [type=button], [type=image]";
  for (const field of document.querySelectorAll("form :is(input, select, textarea)")) {
    if (field.matches(silent) || !shown(field)) {
      continue;
    }
    const ids = (field.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
    const labels = [...field.labels, ...ids.map((id) => document.getElementById(id))];
    if (!labels.some((label) => label && legible(label) && label.innerText.trim())) {
      wrong.push(`${described(field)} has no label that can be seen`);
    }
  }

  const stops = "a[href], button, input, select, textarea, summary, [tabindex]";
  for (const stop of document.querySelectorAll(stops)) {
    if (stop.tabIndex < 0 || stop.disabled || stop.matches("[type=hidden]") || !shown(stop)) {
      continue;
    }
    stop.focus({ preventScroll: true });
    if (document.activeElement !== stop) {
      wrong.push(`${described(stop)} does not take the focus`);
      continue;
    }
    // An option lends its input the ring: the whole card is the target.
    const rings = [stop, stop.closest(".option")].filter(Boolean).map(getComputedStyle);
    if (!rings.some((ring) => ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2)) {
      wrong.push(`${described(stop)} does not show that it has the focus`);
    }
  }
  document.activeElement.blur();
  return wrong;
}
