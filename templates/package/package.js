"use strict";
/*
 * Turns the pages of a package and searches in it, without any server.
 *
 * Rows lie in scripts beside the page, a thousand in each, which call kept(). They are loaded when
 * they are looked at and forgotten soon after. Values reach the page as text only.
 */
(() => {
  const settings = JSON.parse(document.getElementById("package-data").textContent);
  const words = settings.words;
  const KEPT_FILES = 4;
  const MOST_FOUND = 200;

  const fill = (sentence, values) =>
    sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  const number = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  // --- loading ---------------------------------------------------------------------------------

  const arrivals = new Map();
  const files = new Map();

  window.kept = (kind, file, rows) => {
    const arrived = arrivals.get(`${kind} ${file}`);
    if (arrived) arrived(rows);
  };

  const ours = (path) => {
    if (!/^data\/[a-z0-9_.]+-\d{4,}\.js$/.test(path)) throw new TypeError(path);
    return path;
  };
  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("kept-package", { createScriptURL: ours })
    : { createScriptURL: ours };

  function fetchRows(kind, file) {
    const name = `${kind} ${file}`;
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const end = (settle, value) => {
        arrivals.delete(name);
        script.remove();
        settle(value);
      };
      arrivals.set(name, (rows) => end(resolve, rows));
      // Reached without rows only when the file is not there, or is not what it was.
      script.onerror = script.onload = () => end(reject, new Error(words.missing));
      script.src = policy.createScriptURL(`data/${kind}-${String(file).padStart(4, "0")}.js`);
      document.head.append(script);
    });
  }

  function rowsOf(kind, file) {
    const name = `${kind} ${file}`;
    const known = files.get(name) || fetchRows(kind, file);
    files.delete(name);
    files.set(name, known);
    known.catch(() => files.delete(name));
    if (files.size > KEPT_FILES) files.delete(files.keys().next().value);
    return known;
  }

  // --- values in words -------------------------------------------------------------------------

  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: settings.zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });

  function localTime(value) {
    const part = Object.fromEntries(
      clock.formatToParts(new Date(value)).map((found) => [found.type, found.value]),
    );
    return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`;
  }

  function plainly(value) {
    if (value === null) return "";
    if (Array.isArray(value)) return value.map(plainly).join(", ");
    if (typeof value === "object") {
      return Object.entries(value)
        .map(([key, inner]) => `${key}: ${plainly(inner)}`)
        .join("; ");
    }
    if (typeof value === "boolean") return value ? words.yes : words.no;
    return String(value);
  }

  function display(column, value) {
    if (value === null) return "";
    if (column.form === "time") return localTime(value);
    if (Object.hasOwn(column.choices, value)) return column.choices[value];
    return plainly(value);
  }

  // --- one kind of data ------------------------------------------------------------------------

  function start(section) {
    const kind = section.dataset.kind;
    const { count, columns } = settings.kinds[kind];
    const lastFile = Math.ceil(count / settings.perFile);
    const lastPage = Math.ceil(count / settings.shown);
    const part = (name) => section.querySelector(`[data-${name}]`);
    const [tools, body, status, progress, pages] = ["tools", "rows", "status", "progress", "pages"].map(part);
    const labels = [...section.querySelectorAll("thead th")].map((head) => head.textContent);
    const form = section.querySelector("form");
    const field = form.querySelector("input");
    let page = 1;
    let search = 0; // grows with each search and page, so that an older one knows it is over
    let stopped = -1; // the search that was told to stop

    const say = (sentence, values = {}) => {
      status.textContent = fill(sentence, values);
    };

    function show(rows) {
      const lines = rows.map((values) => {
        const line = document.createElement("tr");
        line.setAttribute("role", "row");
        columns.forEach((column, position) => {
          const cell = document.createElement("td");
          const text = display(column, values[position]);
          cell.setAttribute("role", "cell");
          cell.className = `form-${column.form}${column.main ? "" : " extra"}`;
          cell.dataset.label = labels[position];
          if (column.form === "time" && text) {
            const time = document.createElement("time");
            time.dateTime = values[position];
            time.textContent = text;
            cell.append(time);
          } else {
            cell.textContent = text;
          }
          line.append(cell);
        });
        return line;
      });
      body.replaceChildren(...lines);
      body.closest(".package-rows").scrollTop = 0;
    }

    async function turnTo(wanted) {
      const mine = ++search;
      const target = Math.min(Math.max(wanted, 1), lastPage);
      const from = (target - 1) * settings.shown;
      const file = Math.floor(from / settings.perFile) + 1;
      const within = from % settings.perFile;
      try {
        const rows = await rowsOf(kind, file);
        if (mine !== search) return;
        show(rows.slice(within, within + settings.shown));
      } catch (error) {
        if (mine === search) say(error.message);
        return;
      }
      page = target;
      progress.hidden = true;
      tellPage();
      drawPages();
    }

    function tellPage() {
      const from = (page - 1) * settings.shown;
      const to = Math.min(from + settings.shown, count);
      say(words.rows, { from: number(from + 1), to: number(to), total: number(count) });
    }

    // --- turning pages

    const button = (text, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "button-small";
      made.textContent = text;
      made.addEventListener("click", () => {
        if (made.getAttribute("aria-disabled") !== "true") act();
      });
      return made;
    };
    const previous = button(words.previous, () => turnTo(page - 1));
    const next = button(words.next, () => turnTo(page + 1));
    const again = button(words.all, () => {
      field.value = "";
      turnTo(1).then(() => field.focus());
    });
    const stop = button(words.stop, () => {
      stopped = search;
      search += 1;
    });
    const choose = document.createElement("input");
    choose.type = "number";
    choose.min = 1;
    choose.max = lastPage;
    choose.addEventListener("change", () => turnTo(Math.trunc(Number(choose.value)) || 1));
    const chooser = document.createElement("label");
    chooser.append(fill(words.page, { last: number(lastPage) }), choose);

    function drawPages() {
      choose.value = page;
      previous.setAttribute("aria-disabled", String(page === 1));
      next.setAttribute("aria-disabled", String(page === lastPage));
      // Replacing only what changes keeps the focus where it is.
      if (pages.firstChild !== previous) pages.replaceChildren(previous, next, chooser);
      pages.hidden = lastPage === 1;
    }

    // --- searching

    const folded = (text) => text.normalize("NFC").toLocaleLowerCase(settings.language);

    async function look(text) {
      const mine = ++search;
      const wanted = folded(text);
      const isTime = /^[-\d: ]+$/.test(wanted); // writing a million times in words takes a minute
      const found = [];
      let done = 0;
      const figures = () => ({
        done: number(done),
        total: number(count),
        found: number(found.length),
        text,
      });
      progress.max = count;
      progress.value = 0;
      progress.hidden = false;
      pages.replaceChildren(stop);
      pages.hidden = false;
      let ending = words.found;
      try {
        for (let file = 1; file <= lastFile && ending === words.found; file += 1) {
          const rows = await rowsOf(kind, file);
          if (mine !== search) {
            ending = words.stopped;
            break;
          }
          for (const values of rows) {
            const line = columns.map((column, position) =>
              column.form === "time" && !isTime ? "" : display(column, values[position]),
            );
            if (folded(line.join("\n")).includes(wanted)) found.push(values);
            if (found.length >= MOST_FOUND) {
              ending = words.foundMany;
              break;
            }
          }
          done += rows.length;
          progress.value = done;
          say(words.looking, figures());
        }
      } catch (error) {
        ending = error.message;
      }
      // Another search or a page took over; "Stop" leaves what was found to us.
      if (mine !== search && !(stopped === mine && search === mine + 1)) return;
      progress.hidden = true;
      show(found);
      say(ending, figures());
      pages.replaceChildren(again);
      if (document.activeElement === document.body) again.focus();
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text) look(text);
      else turnTo(1);
    });

    tools.hidden = false;
    part("static")?.remove();
    tellPage();
    drawPages();
  }

  document.querySelector("[data-without-script]").remove();
  document.querySelectorAll("[data-kind]").forEach(start);
})();
