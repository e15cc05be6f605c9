/** One line from a socket, bounded in length and time. */
import type { Socket } from "node:net";
import { lineLimit, patience } from "./protocol.js";

/** The first line, or undefined: it is too long, did not come in time, or the other end left. */
export function readLine(socket: Socket, timeout = patience): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (line: string | undefined): void => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("error", onEnd);
      resolve(line);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > lineLimit) finish(undefined);
      else if (chunk.includes(10)) {
        const text = Buffer.concat(chunks).toString("utf8");
        finish(text.slice(0, text.indexOf("\n")));
      }
    };
    const onEnd = (): void => finish(undefined);
    const timer = setTimeout(onEnd, timeout);
    timer.unref();
    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("error", onEnd);
  });
}
