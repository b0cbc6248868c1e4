from modules import stand_in_model
from modules.shared_cmd_options import cmd_opts


class SdModelData:
    def __init__(self):
        self.sd_model = stand_in_model.loaded(cmd_opts.model)

    def get_sd_model(self):
        return self.sd_model


model_data = SdModelData()
