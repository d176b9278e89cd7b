// Debian's chromium through playwright-core, as a person has it: https with an authority of the tests, names that lead to this machine.
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { type Browser, type Page, chromium } from 'playwright-core';

export function chromiumPath(path = process.env['PATH'] ?? ''): string {
  const found = path.split(delimiter).flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name))).find((file) => existsSync(file));
  if (found === undefined) throw new Error('there is no chromium on the PATH; next: apt-get install chromium');
  return found;
}

/** `ports`: `host:port` of an address → the port of this machine where it is served. All names lead to this machine. */
export function launch(ports: Readonly<Record<string, number>>): Promise<Browser> {
  const rules = [...Object.entries(ports).map(([address, port]) => `MAP ${address} 127.0.0.1:${port}`), 'MAP * 127.0.0.1'].join(', ');
  return chromium.launch({
    executablePath: chromiumPath(),
    args: ['--headless', '--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-dev-shm-usage', `--host-resolver-rules=${rules}`],
  });
}

/** For people to look at; printed where it is. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['GATEWRIGHT_SCREENSHOTS'] ?? join(tmpdir(), 'gatewright-screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
