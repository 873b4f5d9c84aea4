import { defineConfig } from 'vitest/config'

/** The walls alone, without a database: `npm run check`. */
export default defineConfig({ test: { root: import.meta.dirname, include: ['*.test.ts'] } })
