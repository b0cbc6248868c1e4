# ruff: noqa: ARG002, PLR0917  # the signatures are the hosts'
class OptionInfo:
    def __init__(
        self,
        default=None,
        label="",
        component=None,
        component_args=None,
        onchange=None,
        section=None,
        refresh=None,
        comment_before="",
        comment_after="",
        infotext=None,
        restrict_api=False,
        category_id=None,
    ):
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.onchange = onchange
        self.section = section
        self.refresh = refresh
        self.comment_before = comment_before
        self.comment_after = comment_after
        self.infotext = infotext
        self.restrict_api = restrict_api
        self.category_id = category_id
        self.do_not_save = False

    def info(self, info):
        self.comment_after += f"<span class='info'>({info})</span>"
        return self

    def html(self, html):
        self.comment_after += html
        return self

    def needs_restart(self):
        return self.info("requires restart")

    def needs_reload_ui(self):
        return self.info("requires Reload UI")


def options_section(section_identifier, options_dict):
    for option in options_dict.values():
        option.section = section_identifier[:2]
        option.category_id = section_identifier[2] if len(section_identifier) > 2 else None
    return options_dict


class Options:
    def __init__(self, data_labels, restricted_opts):
        self.__dict__["data_labels"] = data_labels
        self.__dict__["restricted_opts"] = restricted_opts
        self.__dict__["data"] = {key: option.default for key, option in data_labels.items()}

    def __setattr__(self, key, value):
        self.data[key] = value

    def __getattr__(self, item):
        if item in self.data:
            return self.data[item]
        if item in self.data_labels:
            return self.data_labels[item].default
        raise AttributeError(item)

    def set(self, key, value, is_api=False, run_callbacks=True):
        self.data[key] = value
        return True

    def get_default(self, key):
        option = self.data_labels.get(key)
        return None if option is None else option.default

    def add_option(self, key, info):
        self.data_labels[key] = info
        self.data.setdefault(key, info.default)

    def onchange(self, key, func, call=True):
        self.data_labels[key].onchange = func
        if call:
            func()
