import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tidy/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tidy/fixtures/**'],
    globalSetup: ['test/support/postgres-for-run.ts'],
    // Two cores, and PostgreSQL runs on them as well.
    pool: 'forks',
    maxWorkers: 2,
    // Files share what they import: what our modules keep (words that were written once, a counter for names) no test can tell. Loading them anew for
    // each file took a minute and a half.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
