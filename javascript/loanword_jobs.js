// What takes a while: a job's progress, its outcomes file by file, cancelling, and fetching the results.
"use strict";
(function(loanword) {
    const EVERY_MS = 250;
    const SHOWN = 200;

    // A trial writes nothing, and says what would be written.
    // Follows one job after another; `start` are functions that give {job}. Ends with all outcomes.
    loanword.JobView = class {
        constructor({server, onend, trial = false}) {
            Object.assign(this, {server, onend, trial, outcomes: [], cancelled: false, job: null});
            this.bar = loanword.make("progress", {max: 1, "aria-label": loanword.say("Progress")});
            this.text = loanword.make("span", {class: "jobtext", role: "status"});
            this.cancel = loanword.button(loanword.say("Cancel"), () => this.stop(), {class: "small"});
            this.list = loanword.make("ul", {class: "outcomes"});
            this.downloads = loanword.make("div", {class: "downloads"});
            this.element = loanword.make("div", {class: "job"},
                loanword.make("div", {class: "jobline"}, this.bar, this.text, this.cancel), this.downloads, this.list);
        }

        async run(starts) {
            this.text.textContent = loanword.say("Starting…");
            let last = null;
            try {
                for (const start of starts) {
                    if (this.cancelled) break;
                    this.job = (await start()).job;
                    last = await this.follow(starts.length);
                    if (last.download) this.offer(this.job);
                }
                this.finish(last);
            } catch (problem) {
                this.fail(problem);
            }
            this.onend(this.outcomes, last);
        }

        async follow(jobs) {
            for (;;) {
                const state = await this.server.get(`jobs/${this.job}`);
                if (jobs === 1 && state.total) {
                    this.bar.max = state.total;
                    this.bar.value = state.done;
                }
                if (state.state !== "running") {
                    this.add(state.outcomes);
                    if (state.state === "failed") throw new Error(loanword.toldAsSentence(state.message));
                    this.cancelled = this.cancelled || state.state === "cancelled";
                    return state;
                }
                this.text.textContent = state.total ?
                    loanword.say("{done} of {total}", {done: loanword.number(state.done), total: loanword.number(state.total)}) :
                    state.message ? loanword.told(state.message) : loanword.say("Working…");
                await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
            }
        }

        async stop() {
            this.cancelled = true;
            if (this.job) await this.server.post(`jobs/${this.job}/cancel`).catch((problem) => this.fail(problem));
        }

        add(outcomes) {
            for (const outcome of outcomes) {
                this.outcomes.push(outcome);
                if (this.outcomes.length <= SHOWN) this.list.append(line(outcome, this.trial));
            }
        }

        finish(state) {
            const count = (kind) => this.outcomes.filter((outcome) => outcome.kind === kind).length;
            const parts = [
                this.cancelled ? loanword.say("Cancelled.") : "",
                this.outcomes.length ? this.countDone(count("done")) : "",
                count("skipped") ? loanword.sayCount(count("skipped"), "{count} skipped", "{count} skipped") : "",
                count("failed") ? loanword.sayCount(count("failed"), "{count} failed", "{count} failed") : "",
                !this.outcomes.length && state && state.message ? loanword.told(state.message) : "",
            ];
            if (this.outcomes.length > SHOWN) {
                this.list.append(loanword.make("li", {class: "second"},
                    loanword.say("… and {count} more", {count: loanword.number(this.outcomes.length - SHOWN)})));
            }
            this.text.textContent = parts.filter(Boolean).join(" · ") || loanword.say("Done.");
            this.end(this.cancelled ? "cancelled" : "done");
        }

        countDone(count) {
            return this.trial ? loanword.sayCount(count, "{count} would be written", "{count} would be written") :
                loanword.sayCount(count, "{count} done", "{count} done");
        }

        fail(problem) {
            this.text.textContent = problem.message;
            this.end("failed");
        }

        end(kind) {
            this.bar.max = 1;
            this.bar.value = kind === "done" ? 1 : this.bar.value;
            this.element.dataset.state = kind;
            this.cancel.hidden = true;
        }

        offer(job) {
            const save = () => this.server.download(`jobs/${job}/download`).catch((problem) => this.fail(problem));
            this.downloads.append(loanword.button(loanword.say("Download the result"), save, {class: "primary"}));
        }
    };

    function line({file, kind, reason, outputs, warnings}, trial) {
        const titles = {
            done: trial ? loanword.say("possible") : loanword.say("done"),
            skipped: loanword.say("skipped"), failed: loanword.say("failed"),
        };
        const made = outputs.map((output) => loanword.visible(output.name)).join(", ");
        const said = [reason, ...warnings].filter(Boolean).map(loanword.toldAsSentence).join(" ");
        return loanword.make("li", {class: kind},
            loanword.make("span", {class: `mark ${{done: "good", skipped: "warn", failed: "bad"}[kind]}`},
                titles[kind]),
            loanword.make("span", {class: "file"}, loanword.visible(file), made ? ` → ${made}` : ""),
            said ? loanword.make("span", {class: "second"}, said) : null);
    }
})(window.loanword = window.loanword || {});
