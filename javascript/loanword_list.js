// A list of any length: only the rows in sight exist, and only their pages are fetched. Rows have one height.
"use strict";
(function(loanword) {
    const PAGE = 100;
    const SPARE_ROWS = 6;

    // `fetchPage(offset, limit, signal)` gives {total, items}; `makeRow(item, index)` and `makeEmptyRow()` give elements.
    loanword.VirtualList = class {
        constructor({scroller, body, fetchPage, makeRow, makeEmptyRow, onproblem}) {
            Object.assign(this, {scroller, body, fetchPage, makeRow, makeEmptyRow, onproblem});
            this.rows = new Map();
            this.pages = new Map();
            this.total = 0;
            this.active = 0;
            this.abort = new AbortController();
            this.scheduled = false;
            scroller.addEventListener("scroll", () => this.schedule(), {passive: true});
            new ResizeObserver(() => this.schedule()).observe(scroller);
        }

        // Forgets everything; `keepPlace` for the same list with news in it.
        async reload({keepPlace = false} = {}) {
            this.abort.abort();
            this.abort = new AbortController();
            const {signal} = this.abort;
            const first = keepPlace ? Math.floor(this.range()[0] / PAGE) : 0;
            try {
                const answer = await this.fetchPage(first * PAGE, PAGE, signal);
                if (signal.aborted) return null;
                this.pages = new Map([[first, answer.items]]);
                this.total = answer.total;
                this.active = keepPlace ? Math.max(0, Math.min(this.active, this.total - 1)) : 0;
                this.redraw({keepSame: keepPlace});
                if (!keepPlace) this.scroller.scrollTop = 0;
                return answer;
            } catch (problem) {
                if (problem.name !== "AbortError") throw problem;
                return null;
            }
        }

        item(index) {
            const page = this.pages.get(Math.floor(index / PAGE));
            return page && page[index % PAGE];
        }

        replaceItem(item) {
            for (const page of this.pages.values()) {
                const place = page.findIndex((each) => each.id === item.id);
                if (place >= 0) page[place] = item;
            }
            this.redraw();
        }

        *loadedItems() {
            for (const page of this.pages.values()) yield* page;
        }

        // Makes the rows anew; those that would be the same may stay.
        redraw({keepSame = false} = {}) {
            const hadFocus = this.body.contains(this.body.getRootNode().activeElement);
            for (const [index, row] of this.rows) {
                const same = JSON.stringify(row.loanwordItem) === JSON.stringify(this.item(index));
                if (!keepSame || !same) this.drop(index, row);
            }
            this.draw();
            if (hadFocus && !this.body.contains(this.body.getRootNode().activeElement)) this.focus(this.active);
        }

        schedule() {
            if (this.scheduled) return;
            this.scheduled = true;
            requestAnimationFrame(() => {
                this.scheduled = false;
                this.draw();
            });
        }

        rowHeight() {
            return parseFloat(getComputedStyle(this.body).getPropertyValue("--loanword-row")) || 68;
        }

        range() {
            const height = this.rowHeight();
            const first = Math.floor(this.scroller.scrollTop / height) - SPARE_ROWS;
            const count = Math.ceil(this.scroller.clientHeight / height) + 2 * SPARE_ROWS;
            return [Math.max(0, first), Math.min(this.total, first + count)];
        }

        draw() {
            const [first, last] = this.range();
            const wanted = new Set(this.total ? [this.active] : []);
            for (let index = first; index < last; index++) wanted.add(index);
            this.body.style.height = `${this.total * this.rowHeight()}px`;
            for (const [index, row] of this.rows) {
                if (!wanted.has(index)) this.drop(index, row);
            }
            for (const index of [...wanted].sort((a, b) => a - b)) this.place(index);
            for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) this.load(page);
        }

        drop(index, row) {
            row.remove();
            this.rows.delete(index);
        }

        // Rows stand in the document in the order of the list, as screen readers read it.
        place(index) {
            const item = this.item(index);
            const present = this.rows.get(index);
            if (present && (present.loanwordItem || !item)) return;
            const row = item ? this.makeRow(item, index) : this.makeEmptyRow();
            row.loanwordItem = item;
            row.setAttribute("aria-rowindex", index + 2);
            row.style.transform = `translateY(calc(${index} * var(--loanword-row)))`;
            row.tabIndex = index === this.active ? 0 : -1;
            const hadFocus = present && present === present.getRootNode().activeElement;
            if (present) this.drop(index, present);
            const next = [...this.rows.keys()].filter((other) => other > index);
            this.body.insertBefore(row, next.length ? this.rows.get(Math.min(...next)) : null);
            this.rows.set(index, row);
            if (hadFocus) row.focus({preventScroll: true});
        }

        async load(page) {
            if (this.pages.has(page)) return;
            this.pages.set(page, null);
            const {signal} = this.abort;
            try {
                const answer = await this.fetchPage(page * PAGE, PAGE, signal);
                if (signal.aborted) return;
                this.pages.set(page, answer.items);
                this.schedule();
            } catch (problem) {
                if (signal.aborted) return;
                this.pages.delete(page);
                this.onproblem(problem);
            }
        }

        activate(index) {
            const before = this.rows.get(this.active);
            this.active = Math.max(0, Math.min(index, this.total - 1));
            if (before) before.tabIndex = -1;
            const row = this.rows.get(this.active);
            if (row) row.tabIndex = 0;
        }

        focus(index) {
            this.activate(index);
            this.reveal(this.active);
            this.draw();
            const row = this.rows.get(this.active);
            if (row) row.focus({preventScroll: true});
        }

        reveal(index) {
            const height = this.rowHeight();
            const top = index * height;
            const room = this.scroller.clientHeight - this.body.offsetTop;
            if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
            if (top + height > this.scroller.scrollTop + room) this.scroller.scrollTop = top + height - room;
        }

        rowsInSight() {
            return Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight()) - 1);
        }
    };
})(window.loanword = window.loanword || {});
