import { mixedShares, tokenClasses } from '#partners/sandbox-pg/index.ts'
import { code, tableOf } from './sources.ts'

export function sandboxPage(): string {
  return [
    '# Tokens of the sandbox gateway',
    '',
    'The payment gateway of this first form is a sandbox: it moves no money, and the token of a payment chooses what it does. A token may',
    'have `_` and anything after it (`tok_ok_4711`), so that payers can be told apart.',
    '',
    tableOf(
      ['token', 'what happens'],
      Object.entries(tokenClasses).map(([name, { about }]) => [code(name), about]),
    ),
    '',
    `${code('tok_mixed')} draws, in parts of 100: ${mixedShares.map(([share, name]) => `${share} ${code(name)}`).join(', ')}.`,
    '',
  ].join('\n')
}
