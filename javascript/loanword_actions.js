// What can be done with embeddings, each as a dialog: the fields it asks for and the request it makes of them.
"use strict";
(function(loanword) {
    const KEEP = "";

    // `page` has root, server, session, tray, query() and onchange(); `items` are the rows chosen, or null for all of the query.
    loanword.convertDialog = function(page, items, total) {
        const {fields, read} = conversionFields(page.session);
        const subject = items ? {ids: items.map((each) => each.id)} : {query: asBody(page.query())};
        const post = (dryRun) => (values) => [() => page.server.post("convert", {
            ...subject, ...read(values), folder: values.folder || null, overwrite: values.overwrite, dry_run: dryRun,
        })];
        return open(page, {
            title: loanword.say("Convert"),
            intro: [subjectLine(items, total), loanword.say("The originals are kept as they are.")],
            fields: [...fields, besideOr(page.session),
                loanword.checkbox(loanword.say("Replace files that are there already"), "overwrite")],
            buttons: [
                [loanword.say("Try it first"), post(true), {title: loanword.say("Says what would be written, and writes nothing")}, {trial: true}],
                [loanword.say("Convert"), post(false), {class: "primary"}],
            ],
        });
    };

    loanword.makeSafeDialog = (page, items) => open(page, {
        title: loanword.say("Make safe"),
        intro: [subjectLine(items), loanword.say("Writes the same vectors as safetensors, which cannot hold code. The originals are kept.")],
        fields: [besideOr(page.session)],
        buttons: [[loanword.say("Make safe"), ({folder}) => [() => page.server.post("make-safe", {
            ids: items.map((each) => each.id), folder: folder || null,
        })], {class: "primary"}]],
    });

    loanword.renameDialog = (page, item) => open(page, {
        title: loanword.say("Rename the trigger"),
        intro: loanword.say("Writes a copy that answers to the new word. The original is kept."),
        fields: [
            loanword.field(loanword.say("New trigger"), loanword.make("input", {name: "name", value: item.name, required: true, autofocus: true})),
            besideOr(page.session),
        ],
        buttons: [[loanword.say("Rename"), ({name, folder}) => {
            if (!name.trim()) throw new Error(loanword.say("The trigger is empty; write a word."));
            return [() => page.server.post("rename", {id: item.id, name: name.trim(), folder: folder || null})];
        }, {class: "primary"}]],
    });

    loanword.splitDialog = (page, item) => open(page, {
        title: loanword.say("Split the file"),
        intro: loanword.say("Writes a file for each embedding in {file}. The original is kept.", {file: loanword.visible(item.file)}),
        fields: [besideOr(page.session)],
        buttons: [[loanword.say("Split"), ({folder}) => [() => page.server.post("split", {id: item.id, folder: folder || null})],
            {class: "primary"}]],
    });

    loanword.bundleDialog = async function(page, items) {
        const loras = (await page.server.get("loras")).items;
        return open(page, {
            title: loanword.say("Bundle into a LoRA"),
            intro: [subjectLine(items), loanword.say("Writes a copy of the LoRA that carries the embeddings. The original is kept.")],
            fields: loras.length ? [
                loanword.field(loanword.say("LoRA"), loanword.choice(loras.map((lora) => [lora.id, loanword.visible(lora.name)]), undefined, {name: "lora"})),
                loanword.field(loanword.say("Name of the new file"), loanword.make("input", {name: "name", value: `${loras[0].name}-bundle`, required: true})),
            ] : [none(loanword.say("There are no LoRAs in the WebUI's folders."))],
            buttons: loras.length ? [[loanword.say("Bundle"), ({lora, name}) => [() => page.server.post("bundle", {
                lora, name: name.trim(), ids: items.map((each) => each.id),
            })], {class: "primary"}]] : [],
        });
    };

    loanword.unbundleDialog = async function(page) {
        const loras = (await page.server.get("loras")).items.filter((lora) => lora.bundled.length);
        const title = (lora) => `${loanword.visible(lora.name)}: ${lora.bundled.map(loanword.visible).join(", ")}`;
        return open(page, {
            title: loanword.say("Unpack a LoRA"),
            intro: loanword.say("Writes the embeddings that a LoRA carries as files of their own. The LoRA is kept as it is."),
            fields: loras.length ? [
                loanword.field(loanword.say("LoRA"), loanword.choice(loras.map((lora) => [lora.id, title(lora)]), undefined, {name: "lora"})),
                programField(page.session), loanword.folderField(page.session),
            ] : [none(loanword.say("No LoRA in the WebUI's folders carries embeddings."))],
            buttons: loras.length ? [[loanword.say("Unpack"), ({lora, folder, program}) => [() => page.server.post("unbundle", {
                lora, folder, program: program || null,
            })], {class: "primary"}]] : [],
        });
    };

    loanword.uploadDialog = async function(page, files) {
        const uploaded = (await page.server.upload(files)).items;
        const readable = uploaded.filter((each) => each.upload && each.embeddings.length);
        const {fields, read} = conversionFields(page.session);
        const only = [[KEEP, loanword.say("None, only download")]];
        return open(page, {
            title: loanword.say("Add files"),
            intro: loanword.make("ul", {class: "uploads"}, uploaded.map(uploadLine)),
            fields: readable.length ? [...fields, loanword.folderField(page.session, only)] : [],
            buttons: readable.length ? [[loanword.say("Convert"), (values) => readable.map((each) => () =>
                page.server.post(`uploads/${each.upload}/convert`, {...read(values), folder: values.folder || null})),
            {class: "primary"}]] : [],
        });
    };

    function open({root, server, tray, onchange}, dialog) {
        return loanword.openDialog({root, server, tray, onend: onchange, ...dialog});
    }

    // For a program, which decides the format, or in a format of the user's choice; and the precision.
    function conversionFields(session) {
        const format = loanword.field(loanword.say("Format"), loanword.choice(
            [[KEEP, loanword.say("The one that the program reads")], ...titled(session.formats)], KEEP, {name: "format"}));
        const dtype = loanword.field(loanword.say("Precision"), loanword.choice(
            [[KEEP, loanword.say("Keep")], ...session.dtypes.map((each) => [each, each])], KEEP, {name: "dtype"}));
        return {
            fields: [programField(session), format, dtype],
            read: ({program, format: chosen, dtype: wanted}) => ({
                program: chosen ? null : program, format: chosen || null, dtype: wanted || null,
            }),
        };
    }

    const besideOr = (session) => loanword.folderField(session, [[KEEP, loanword.say("Beside the original")]]);

    const programField = (session) => loanword.field(loanword.say("Program"),
        loanword.choice(titled(session.programs), session.default_program, {name: "program"}));

    const titled = (rows) => rows.map(({key, title}) => [key, loanword.told(title)]);

    const none = (text) => loanword.make("p", {class: "second"}, text);

    // The filters of a query are lists.
    function asBody({q, sort, order, ...filters}) {
        const chosen = Object.entries(filters).filter(([, value]) => value).map(([key, value]) => [key, [value]]);
        return {q: q || "", sort, order, ...Object.fromEntries(chosen)};
    }

    function subjectLine(items, total) {
        if (items && items.length === 1) return loanword.visible(items[0].name);
        const count = items ? items.length : total;
        return loanword.sayCount(count, "{count} embedding", "{count} embeddings");
    }

    function uploadLine({file, message, embeddings}) {
        const names = embeddings.map((each) => `${loanword.visible(each.name)} (${[
            each.base_model && loanword.told(each.base_model.title), loanword.tokensTitle({kind: "embedding", ...each}),
        ].filter(Boolean).join(", ")})`);
        return loanword.make("li", {},
            loanword.make("strong", {}, loanword.visible(file)), " ", loanword.make("span", {}, loanword.told(message)),
            names.length ? loanword.make("span", {class: "second"}, names.join(" · ")) : null);
    }
})(window.loanword = window.loanword || {});
