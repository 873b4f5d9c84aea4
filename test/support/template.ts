import type { Traffic } from '#platform/request-context.ts'

/** Migrated once a run; every test file clones it. */
export const templateNames: Readonly<Record<Traffic, string>> = { live: 'template_live', shadow: 'template_shadow' }
export const testRoleSecret = 'roles of a test server that lives for one run'
