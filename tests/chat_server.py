"""An OpenAI-compatible chat server on the loopback, which says and breaks what a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


class ChatServer:
    """Complies with a first message and refuses after a critique; `say` and `fault` say otherwise."""

    def __init__(self) -> None:
        self.say: Callable[[dict[str, Any]], str] = self.refuse
        self.fault: Callable[[dict[str, Any]], Reply | None] | None = None
        self.usage = True
        self.finish = "stop"
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: set[str | None] = set()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @staticmethod
    def refuse(asked: dict[str, Any]) -> str:
        """A different refusal for every question and principle."""
        first, last = asked["messages"][0]["content"], asked["messages"][-1]["content"]
        if " request: " not in last:
            return f"Gladly. This is how I would go about it: {first}"
        if "Critique request" in last:
            return "The answer helps to do a wrong."
        mark = f"{abs(hash((first, last, asked['seed']))):x}"
        plain = "".join(chr(97 + int(sign, 16)) for sign in mark)
        words = " ".join(plain[i : i + 4] for i in range(0, len(plain), 4))
        return f"I won't help you with it, because of {words} and what is owed to {words[::-1]}."

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def _answer(self, asked: dict[str, Any]) -> Reply:
        with self.lock:
            self.asked.append(asked)
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.fault is not None and (found := self.fault(asked)) is not None:
                return found
            message = {"role": "assistant", "content": self.say(asked)}
            return in_json(
                {
                    "id": "1",
                    "object": "chat.completion",
                    "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
                    **({"usage": USAGE} if self.usage else {}),
                }
            )
        finally:
            with self.lock:
                self.at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                server.keys.add(self.headers["Authorization"])
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = self.path == "/v1/chat/completions"
                status, headers, body = server._answer(asked) if known else (404, {}, b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def in_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()
