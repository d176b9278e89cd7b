// wrk with the answers counted by status.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Load { readonly folder: string; readonly seconds: number; readonly connections?: number; readonly headers?: Readonly<Record<string, string>> }
export interface Outcome { readonly requests: number; readonly statuses: Readonly<Record<string, number>>; /** Connections to the proxy that broke, and requests without any answer. */ readonly broken: number }

/** In `setup` for each thread, so that `done` can read its counts. */
const SCRIPT = `
local threads = {}
function setup(thread) table.insert(threads, thread) end
statuses = {}
function response(status) statuses[tostring(status)] = (statuses[tostring(status)] or 0) + 1 end
function done(summary)
  for _, thread in ipairs(threads) do for status, count in pairs(thread:get("statuses")) do print("status " .. status .. " " .. count) end end
  local e = summary.errors
  print("broken " .. (e.connect + e.read + e.write + e.timeout))
end
`;

export function wrk(url: string, { folder, seconds, connections = 32, headers = {} }: Load): Promise<Outcome> {
  const script = join(folder, `load-${Object.keys(headers).join('-')}.lua`);
  writeFileSync(script, Object.entries(headers).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`).join('') + SCRIPT);
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.on('error', () => reject(new Error('wrk is needed: apt-get install wrk')));
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text; });
    child.on('close', (code) => {
      if (code !== 0) { reject(new Error(`wrk failed:\n${output}`)); return; }
      const statuses: Record<string, number> = {};
      for (const [, status = '', count] of output.matchAll(/^status (\d+) (\d+)$/gm)) statuses[status] = (statuses[status] ?? 0) + Number(count);
      resolve({ statuses, requests: Object.values(statuses).reduce((a, b) => a + b, 0), broken: Number(/^broken (\d+)$/m.exec(output)?.[1]) });
    });
  });
}
