import { configReference } from '#platform/config.ts'
import { code, tableOf } from './sources.ts'

export function configurationPage(): string {
  return [
    '# Configuration',
    '',
    'Environment variables, all of them, from the one schema in `src/platform/config.ts`. Each may be written with `THROUGHLINE_` before',
    'it; that one wins, so a `DATABASE_URL` meant for another program need not be unset. A value that is not usable, and a misspelt',
    '`THROUGHLINE_…`, stops the start with a sentence that names it. `npm run -s throughline -- start --print-config` prints what is in use.',
    '',
    tableOf(
      ['variable', 'what it sets', 'must be', 'unless told'],
      configReference().map(({ variable, about, expects, default: standard }) => [
        code(variable),
        about,
        expects,
        standard === '' ? '' : code(standard),
      ]),
    ),
    '',
  ].join('\n')
}
