import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tidy/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tidy/fixtures/**'],
    globalSetup: ['test/support/postgres-for-run.ts'],
    // Two cores, and PostgreSQL runs on them as well.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})
