#!/usr/bin/env python3
"""A user of the chat's page: chat_browser.py BROWSER URL FOLDER

A browser of the Chromium family, without a window, opens the page; each line of standard input is typed into its field, and
sent by its button; what the page shows is printed as it shows it. At the end of the input the browser is closed. FOLDER is
for what it keeps. It is driven through its debugging pipe (Chrome DevTools Protocol): JSON with a zero byte behind each
message, to the browser's fd 3 and from its fd 4.
"""
import json
import os
import select
import subprocess
import sys

BROWSER, URL, FOLDER = sys.argv[1:4]

TYPE = "document.getElementById('text').value = %s; document.getElementById('say').click()"
WATCH = """(() => {
    const heard = document.getElementById('heard')
    let length = 0
    const look = () => {
        shown(heard.textContent.slice(length))
        length = heard.textContent.length
    }
    new MutationObserver(look).observe(heard, {childList: true})
    look()
})()"""


class Browser:
    def __init__(self):
        commands, self.commands = os.pipe()
        self.messages, messages = os.pipe()
        with open(f"{FOLDER}/log", "wb") as log:
            self.process = subprocess.Popen(
                # Python passes fds on, but by their own numbers.
                ["sh", "-c", f'exec "$@" 3<&{commands} 4>&{messages}', "sh", BROWSER, "--headless", "--no-sandbox",
                 "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={FOLDER}",
                 "--remote-debugging-pipe", "about:blank"],
                pass_fds=(commands, messages), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(commands)
        os.close(messages)
        self.buffer = b""
        self.number = 0
        self.session = None

    def read(self):
        """What has come, as a list of messages; waits for some."""
        data = os.read(self.messages, 65536)
        if not data:
            with open(f"{FOLDER}/log", encoding="utf-8", errors="replace") as log:
                sys.exit(f"the browser has ended: {log.read()[-2000:]}")
        *whole, self.buffer = (self.buffer + data).split(b"\0")
        messages = [json.loads(message) for message in whole]
        for message in messages:
            if message.get("method") == "Runtime.bindingCalled":
                sys.stdout.write(message["params"]["payload"])
                sys.stdout.flush()
        return messages

    def call(self, method, until=None, **params):
        """Waits for the answer, or for an event instead."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            for answer in self.read():
                if answer.get("id") == self.number and ("error" in answer or not until):
                    if "error" in answer or "exceptionDetails" in answer["result"]:
                        sys.exit(f"{method}: {answer}")
                    return answer["result"]
                if until and answer.get("method") == until:
                    return None

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Runtime.addBinding", name="shown")
        self.call("Page.navigate", url=url, until="Page.loadEventFired")
        self.call("Runtime.evaluate", expression=WATCH)


def main():
    browser = Browser()
    try:
        browser.open(URL)
        typed = b""
        while True:
            ready, _, _ = select.select([0, browser.messages], [], [])
            if browser.messages in ready:
                browser.read()
            if 0 in ready:
                data = os.read(0, 4096)
                *lines, typed = (typed + data).split(b"\n")
                for line in lines:
                    browser.call("Runtime.evaluate", expression=TYPE % json.dumps(line.decode()))
                if not data:
                    break
        browser.session = None
        browser.call("Browser.close")
        browser.process.wait(60)
    finally:
        if browser.process.poll() is None:
            browser.process.kill()
            browser.process.wait()


main()
