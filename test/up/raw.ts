// HTTP/1 as bytes on a socket: what Node's client would tidy up goes out as it is written.
import { connect } from 'node:net';

export interface RawAnswer { readonly status: number; readonly location: string | undefined; readonly text: string }

/** Sends these bytes; the answers up to the one that closes the connection. Envoy itself leaves it open for another second. */
export function exchange(address: string, bytes: string, milliseconds = 3_000): Promise<RawAnswer[]> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host, port: Number(port) }, () => { socket.write(Buffer.from(bytes, 'latin1')); });
    const end = (): void => {
      resolve(answers(text));
      socket.destroy();
    };
    socket.setTimeout(milliseconds, () => { socket.destroy(new Error(`still open after ${milliseconds} ms: ${JSON.stringify(text)}`)); });
    socket.setEncoding('latin1').on('close', end).on('error', reject).on('data', (chunk: string) => {
      text += chunk;
      if (isLast(answers(text).at(-1)?.text ?? '', bytes.startsWith('HEAD '))) end();
    });
  });
}

function answers(text: string): RawAnswer[] {
  return text.split(/(?=HTTP\/1\.[01] \d{3} )/).filter((part) => part !== '').map((part) => ({
    status: Number(part.slice(9, 12)),
    location: /\r\nlocation: ([^\r]*)/i.exec(part)?.[1],
    text: part,
  }));
}

/** Whether it is here as a whole and nothing follows. */
function isLast(answer: string, headOnly: boolean): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0 || !/\r\nconnection: close\r\n/i.test(answer.slice(0, end + 2))) return false;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(answer)?.[1] ?? 0);
  return headOnly || (/\r\ntransfer-encoding: chunked/i.test(answer) ? answer.endsWith('0\r\n\r\n') : answer.length >= end + 4 + length);
}
