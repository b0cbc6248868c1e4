import zlib

from modules import scripts


class StableDiffusionProcessing:
    def __init__(self, prompt="", negative_prompt=""):
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.script_args = ()


class Processed:
    def __init__(self, p, images_list, *, seed=-1, info="", index_of_first_image=0):
        self.images = images_list
        self.prompt = p.prompt
        self.negative_prompt = p.negative_prompt
        self.seed = seed
        self.info = info
        self.index_of_first_image = index_of_first_image


def process_images(p):
    """A picture of the prompt's own colour, with what scripts do before and after."""
    from PIL import Image

    running = [each.script_class() for each in scripts.scripts_data]
    for script in running:
        script.process(p)
    colour = zlib.crc32(p.prompt.encode())
    processed = Processed(p, [Image.new("RGB", (64, 64), tuple(colour.to_bytes(4, "big")[:3]))])
    for script in running:
        script.postprocess(p, processed)
    return processed
