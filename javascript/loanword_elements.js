// Elements made in code: text is always a text node, so that nothing from a file becomes markup.
"use strict";
(function(loanword) {
    const SHAPES = {
        plus: "M8 3v10M3 8h10",
        minus: "M3 8h10",
        more: "M6 3l5 5-5 5",
        close: "M4 4l8 8M12 4l-8 8",
        search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3L14 14",
        refresh: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3",
        up: "M8 13V3M4 7l4-4 4 4",
        down: "M8 3v10M4 9l4 4 4-4",
        file: "M4 1.5h5l3.5 3.5v9.5H4zM9 1.5V5h3.5",
    };

    // `make("button", {class: "x", onclick: f, "aria-label": "y"}, child, "text")`
    loanword.make = function(tag, attributes = {}, ...children) {
        const element = document.createElement(tag);
        for (const [key, value] of Object.entries(attributes)) {
            if (key.startsWith("on")) {
                element.addEventListener(key.slice(2), value);
            } else if (value !== null && value !== undefined && value !== false) {
                element.setAttribute(key, value === true ? "" : value);
            }
        }
        element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
        return element;
    };

    loanword.icon = function(name) {
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("d", SHAPES[name]);
        svg.setAttribute("viewBox", "0 0 16 16");
        svg.setAttribute("aria-hidden", "true");
        svg.append(path);
        return svg;
    };

    loanword.button = function(label, onclick, attributes = {}) {
        return loanword.make("button", {type: "button", onclick, ...attributes}, label);
    };

    loanword.iconButton = function(icon, label, onclick, attributes = {}) {
        const named = {"aria-label": label, title: label, class: "icon", ...attributes};
        return loanword.button(loanword.icon(icon), onclick, named);
    };

    // A <select> of [key, title] pairs.
    loanword.choice = function(pairs, value, attributes = {}) {
        const select = loanword.make("select", attributes);
        loanword.setChoices(select, pairs, value);
        return select;
    };

    loanword.setChoices = function(select, pairs, value) {
        select.replaceChildren(...pairs.map(([key, title]) => loanword.make("option", {value: key}, title)));
        select.value = pairs.some(([key]) => key === value) ? value : (pairs[0] || [""])[0];
    };

    loanword.theme = () => (document.body.classList.contains("dark") ? "dark" : "light");

    // A table with a caption, for what a picture shows.
    loanword.table = function(caption, heads, rows) {
        const make = loanword.make;
        return make("table", {},
            make("caption", {}, caption),
            make("thead", {}, make("tr", {}, heads.map((head) => make("th", {scope: "col"}, head)))),
            make("tbody", {}, rows.map(([first, ...rest]) =>
                make("tr", {}, make("th", {scope: "row"}, first), rest.map((cell) => make("td", {}, cell))))));
    };
})(window.loanword = window.loanword || {});
