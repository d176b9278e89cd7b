// The last line of a run: `N passed, N failed`. A file that could not be run counts as one failed test.
import type { Reporter, TestModule } from 'vitest/node';

export class Total implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0, failed = errors.length;
    for (const module of modules) {
      let own = 0;
      for (const test of module.children.allTests()) {
        if (test.result().state === 'passed') passed++;
        else own++;                                                    // failed, or skipped: nothing here may be skipped
      }
      failed += own;
      if (!module.ok() && own === 0) failed++;
    }
    if (failed > 0) process.exitCode = 1;
    console.log(`${passed} passed, ${failed} failed`);
  }
}
