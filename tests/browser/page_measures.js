// What a browser knows of a page and its source does not: colours, places, names.

function rgb(text) {
  const parts = (text.match(/[\d.]+/g) || []).map(Number);
  return { r: parts[0], g: parts[1], b: parts[2], a: parts.length > 3 ? parts[3] : 1 };
}

function over(top, under) {
  const mix = (a, b) => a * top.a + b * (1 - top.a);
  return { r: mix(top.r, under.r), g: mix(top.g, under.g), b: mix(top.b, under.b), a: 1 };
}

function luminance(colour) {
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(colour.r) + 0.7152 * part(colour.g) + 0.0722 * part(colour.b);
}

function ratio(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function ground(element) {
  const layers = [];
  for (let each = element; each; each = each.parentElement) {
    const colour = rgb(getComputedStyle(each).backgroundColor);
    if (colour.a > 0) layers.push(colour);
    if (colour.a === 1) break;
  }
  return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
}

function shown(element) {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && box.right > 0 && getComputedStyle(element).visibility !== "hidden";
}

// Behind the letters of a chart: the page, and every area they lie on.
function grounds(text) {
  const page = ground(text.closest("div"));
  const box = text.getBoundingClientRect();
  const found = [page];
  for (const area of text.ownerSVGElement.querySelectorAll("rect")) {
    const place = area.getBoundingClientRect();
    const meets = place.left < box.right && box.left < place.right && place.top < box.bottom && box.top < place.bottom;
    if (!meets) continue;
    const style = getComputedStyle(area);
    found.push(over({ ...rgb(style.fill), a: Number(style.opacity) }, found[found.length - 1]));
  }
  return found;
}

const measures = {
  faint() {
    const found = [];
    for (const element of document.body.querySelectorAll("*")) {
      const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
      if (!own || !shown(element) || ["TITLE", "STYLE", "title", "desc"].includes(element.tagName)) continue;
      const style = getComputedStyle(element);
      const inChart = element.tagName === "text";
      const letters = rgb(inChart ? style.fill : style.color);
      const least = Math.min(...(inChart ? grounds(element) : [ground(element)]).map((g) => ratio(letters, g)));
      if (least < 4.5) found.push(`${element.textContent.trim().slice(0, 40)}: ${least.toFixed(2)}`);
    }
    return found;
  },
  read() {
    return [...document.body.querySelectorAll("*")].filter((e) => shown(e) && e.children.length === 0).length;
  },
  overlapping() {
    const found = [];
    for (const chart of document.querySelectorAll("svg.chart")) {
      const texts = [...chart.querySelectorAll("text")].filter(shown);
      texts.forEach((one, n) => texts.slice(n + 1).forEach((other) => {
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 4) found.push(`${one.textContent} × ${other.textContent}`);
      }));
    }
    return found;
  },
  outside() {
    const found = [];
    for (const text of document.querySelectorAll("svg.chart text")) {
      const box = text.getBoundingClientRect();
      if (shown(text) && (box.left < 0 || box.right > innerWidth)) found.push(text.textContent);
    }
    return found;
  },
  width() {
    return document.documentElement.scrollWidth - innerWidth;
  },
  nameless() {
    const named = (svg) => svg.closest("[aria-hidden=true]") ||
      (svg.getAttribute("role") === "img" && (svg.getAttribute("aria-labelledby") || "").split(" ")
        .every((id) => document.getElementById(id)?.textContent.trim()));
    return [...document.querySelectorAll("svg, img")].filter((each) => !named(each)).map((each) => each.outerHTML.slice(0, 80));
  },
  fetched() {
    return performance.getEntriesByType("resource").map((each) => each.name).filter((name) => !name.startsWith("data:"));
  },
};
return measures[arguments[0]]();
