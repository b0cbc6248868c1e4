// Clicks, keys and dropped files: what each does to the tab.
"use strict";
(function(loanword) {
    // `tab` has list, details, selection, and the functions insert, showDetails, closeDetails and choose.
    loanword.listenToRows = function(tab) {
        tab.list.body.addEventListener("click", (event) => clicked(tab, event));
        tab.list.body.addEventListener("focusin", (event) => focused(tab.list, event.target.closest(".row")));
        tab.element.addEventListener("keydown", (event) => pressed(tab, event));
    };

    function clicked(tab, event) {
        const row = event.target.closest(".row");
        if (!row || !row.loanwordItem || event.target.closest("button, input")) return;
        const item = row.loanwordItem;
        if (event.ctrlKey || event.metaKey) tab.choose(item, !tab.selection.has(item), event);
        else use(tab, item, event);
    }

    function use(tab, item, {shiftKey}) {
        const {side} = loanword.target();
        if (item.kind === "embedding") tab.insert(item, shiftKey ? loanword.otherSide(side) : side);
        else tab.showDetails(item.id);
    }

    // The Tab key reaches the buttons of one row, that with the focus; from row to row it is arrow keys.
    function focused(list, row) {
        for (const [index, each] of list.rows) {
            if (each === row) list.activate(index);
            for (const control of each.querySelectorAll("button, input")) control.tabIndex = each === row ? 0 : -1;
        }
    }

    function pressed(tab, event) {
        if (event.key === "Escape" && !event.target.closest("dialog")) escape(tab);
        const row = event.target.closest(".row");
        if (!row || event.target !== row) return;
        const page = tab.list.rowsInSight();
        const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
        const item = row.loanwordItem;
        if (event.key in steps) step(tab, steps[event.key], event);
        else if (!item) return;
        else if (event.key === "Enter") use(tab, item, event);
        else if (event.key === "ArrowRight") tab.showDetails(item.id);
        else if (event.key === " ") tab.choose(item, !tab.selection.has(item), {});
        else return;
        event.preventDefault();
    }

    function step(tab, by, {shiftKey}) {
        const index = Math.max(0, Math.min(tab.list.total - 1, tab.list.active + by));
        tab.list.focus(index);
        const item = tab.list.item(index);
        if (shiftKey && item) tab.choose(item, true, {});
        if (tab.details.open && item) tab.showDetails(item.id, {moveFocus: false});
    }

    function escape(tab) {
        if (tab.details.open) tab.closeDetails();
        else if (tab.selection.items.size) tab.selection.clear();
    }

    loanword.listenForFiles = function(element, onfiles) {
        const carriesFiles = (event) => event.dataTransfer && event.dataTransfer.types.includes("Files");
        const show = (shown) => element.classList.toggle("dropready", shown);
        const take = (event, shown) => {
            if (!carriesFiles(event)) return false;
            event.preventDefault();
            event.stopPropagation();
            show(shown);
            return true;
        };
        element.addEventListener("dragover", (event) => take(event, true));
        element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || show(false));
        element.addEventListener("drop", (event) => take(event, false) && onfiles(event.dataTransfer.files));
    };
})(window.loanword = window.loanword || {});
