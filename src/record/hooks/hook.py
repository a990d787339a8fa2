# session-buddy: records what is typed into this python (>= 3.8), in the lines that
# hook.bash describes: PYTHONSTARTUP for its own prompt and for IPython, which reads
# it too. The user's own runs at the end.
def __session_buddy(hook):
    import os, sys
    mine, theirs = os.environ.pop("SESSION_BUDDY_PYTHONSTARTUP", None), None
    if mine:
        os.environ["PYTHONSTARTUP"] = theirs = mine
    else:
        os.environ.pop("PYTHONSTARTUP", None)
    try:
        return theirs, hook(os, sys)
    except Exception:
        return theirs, None  # recording trouble is never the user's
def hook(os, sys):
    import re, time
    env = os.environ
    folder, sid, binary, hooks = (env.get("SESSION_BUDDY_" + k) for k in ("SPOOL", "SESSION_ID", "BIN", "HOOKS"))
    if not (folder and sid):
        return
    path = "%s/%s.%d.commands" % (folder, sid, os.getpid())
    pause = "%s/%s.paused" % (folder, sid)
    with open(hooks + "/prefilter.pcre") as f:
        suspect = re.compile(f.read().strip()).search
    owner = os.getpid()
    state = {"n": 0, "on": False, "len": 0, "err": None}
    def now():
        return int(time.time() * 1e6)
    def esc(s):
        return s.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
    def cwd():
        try:
            return esc(os.getcwd())
        except OSError:
            return ""
    def lineof(fields):
        return ("\t".join(map(str, fields)) + "\t.\n").encode("utf-8", "surrogateescape")
    def append(*fields):
        line = lineof(fields)
        # As hook.bash has it.
        if fields[0] != "h" and not os.path.exists(path):
            line = header + line
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                while line:
                    line = line[os.write(fd, line):]
            finally:
                os.close(fd)
        except OSError:
            pass
    def start(text, private=False):
        if os.getpid() != owner or os.path.exists(pause):  # a fork of the user's; paused
            return
        mark = ""
        if text is None or private:
            text, mark = "", "private"
        elif len(text) > 8192 or suspect(text.lower()):
            import subprocess
            try:
                out = subprocess.run([binary, "redact-text", "1"], input=text.encode("utf-8", "surrogateescape"), stdout=-1, stderr=-3, timeout=2).stdout.decode("utf-8", "surrogateescape")
                assert out.endswith("\n.")
                mark, text = out[:-2].split("\n", 1)
            except Exception:
                text, mark = "", "withheld"
        state["n"] += 1
        state["on"] = True
        append("s", state["n"], now(), cwd(), mark, esc(text))
    def end(status):
        if state["on"] and os.getpid() == owner:
            state["on"] = False
            append("e", state["n"], now(), status, "", cwd())
    try:
        with open("/proc/self/stat") as f:
            ticks = f.read().rsplit(") ", 1)[1].split()[19]
    except OSError:
        ticks = ""
    # As hook.bash has it.
    depth = re.fullmatch(r"([0-9]{1,6}) ([0-9]+)", env.get("SESSION_BUDDY_DEPTH", ""))
    depth = int(depth[1]) + (int(depth[2]) != owner) if depth else 0
    env["SESSION_BUDDY_DEPTH"] = "%d %d" % (depth, owner)
    ip = None
    try:
        ip = get_ipython()  # noqa: F821
    except NameError:
        pass
    who = ("h", 1, "ipython" if ip else "python", sys.version.split()[0], owner, os.getppid(), ticks, now(), depth)
    header = lineof(who)
    append(*who)
    if ip is not None:
        def pre(info):
            # ipython keeps what starts with a space, too; %%private has no meaning: only store_history.
            # What a cell runs itself, as %%capture does, is a part of it.
            if not info.silent and (info.store_history or not state["on"]):
                state["cell"] = info
                start(info.raw_cell.rstrip("\n"), private=not info.store_history or info.raw_cell[:1] == " ")
        def post(result):
            if getattr(result, "info", state.get("cell")) is state.get("cell"):
                end(0 if result.success else 1)
        ip.events.register("pre_run_cell", pre)
        ip.events.register("post_run_cell", post)
        return
    def same(code, text):
        again = compile(text, code.co_filename, "single")
        return (again.co_code, again.co_names, again.co_consts) == (code.co_code, code.co_names, code.co_consts)
    def typed(code):
        """What the history has since the prompt; a repeated line it does not add."""
        try:
            import readline
            n = readline.get_current_history_length()
            lines = [readline.get_history_item(i) or "" for i in range(state["len"] + 1, n + 1)]
            if lines:
                return "\n".join(lines).rstrip("\n")
            last = readline.get_history_item(n)
            return last if last and same(code, last) else None
        except Exception:
            return None
    def error():
        e = getattr(sys, "last_value", None)
        return id(e) if e is not None else None
    def skip_history():
        """All that the history has by now is no part of what comes."""
        try:
            import readline
            state["len"] = readline.get_current_history_length()
        except Exception:
            pass
    def ended():
        now_error = error()
        end(0 if now_error == state["err"] else 1)
        state["err"] = now_error
        state["armed"] = True
    class Prompt(str):
        """sys.ps1, which is asked for its text at each prompt."""
        def __str__(self):
            ended()
            skip_history()
            return str.__str__(self)
    class Dynamic:
        """The same for a user's own that is no text."""
        def __init__(self, theirs):
            self.__dict__["theirs"] = theirs
        def __str__(self):
            ended()
            skip_history()
            return str(self.theirs)
        def __repr__(self):
            return repr(self.theirs)
        def __getattr__(self, name):
            return getattr(self.theirs, name)
        def __setattr__(self, name, value):
            setattr(self.theirs, name, value)
    def adopt_prompt():
        theirs = getattr(sys, "ps1", ">>> ")
        if isinstance(theirs, (Prompt, Dynamic)):
            return False
        sys.ps1 = Prompt(theirs) if isinstance(theirs, str) else Dynamic(theirs)
        return True
    def audit(event, args):
        # What was typed is about to run: the interactive loop executes its code object.
        if event == "exec" and getattr(args[0], "co_filename", "").startswith(("<stdin>", "<python-input")):
            if adopt_prompt():  # a prompt of the user's was shown, which did not tell us
                ended()
            if state.get("armed"):
                state["armed"] = False
                code = args[0]
                text = typed(code)
                skip_history()
                if text is not None or not same(code, "pass"):  # an empty line
                    start(text)
    sys.addaudithook(audit)
    def ready():
        skip_history()
        adopt_prompt()
    ready()
    return ready
__sb_user, __sb_ready = __session_buddy(hook)
del __session_buddy, hook
try:
    if __sb_user:
        with open(__sb_user) as __sb_file:
            __sb_code = compile(__sb_file.read(), __sb_user, "exec")
        del __sb_file
        exec(__sb_code)
        del __sb_code
finally:
    # The user's own may have set a prompt, and read a history.
    if __sb_ready:
        __sb_ready()
    del __sb_user, __sb_ready
