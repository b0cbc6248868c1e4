"""A custom node for ComfyUI that writes down what its process does and no reader of embeddings has to do."""

import json
import os
import sys

NODE_CLASS_MAPPINGS = {}
WATCHED = (
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn", "subprocess.Popen"),
    *("pickle.find_class", "ctypes.dlopen", "socket.connect", "urllib.Request", "webbrowser.open"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("shutil.rmtree", "shutil.move", "shutil.copyfile"),
)
_place = os.open(os.environ["AUDIT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _noted(event, arguments):
    written = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    if event in WATCHED or written:
        os.write(_place, json.dumps([event, repr(arguments)[:500]]).encode() + b"\n")


sys.addaudithook(_noted)
