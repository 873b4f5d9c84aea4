import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

// Before anything else is loaded: types are stripped and code is compiled once a change, not once a start (1.2 s of processor time
// instead of 1.7). Where the folder can not be written it starts without.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/throughline'))
const { runVerb } = await import('./cli/verbs.ts')
process.exitCode = await runVerb(process.argv.slice(2))
