import { defineConfig } from 'vitest/config';
import { Total } from './test/total.ts';

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 60_000, expect: { poll: { timeout: 10_000 } }, pool: 'forks', maxWorkers: 2, reporters: ['default', new Total()] },
});
