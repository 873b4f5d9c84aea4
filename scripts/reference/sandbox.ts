import { sandboxProfiles, tokenClasses } from '#partners/sandbox-pg/index.ts'
import { code, tableOf } from './sources.ts'

export function sandboxPage(): string {
  const profiles = Object.values(sandboxProfiles)
  const percent = (basisPoints: number): string => `${(basisPoints / 100).toFixed(2)} %`
  return [
    '# The sandbox gateways and their tokens',
    '',
    'Four payment gateways of our own that move no money. The token of a payment chooses what they do. A token may have `_` and anything',
    'after it (`tok_ok_4711`), so that payers can be told apart.',
    '',
    tableOf(
      ['gateway', 'is', 'takes', 'instalments', 'fee', 'answers in', 'webhooks lost, repeated'],
      profiles.map(({ name, about, means, instalmentsMost, fees, latencyMs, webhookFaults }) => [
        code(name),
        about,
        means.join(', '),
        `up to ${instalmentsMost}`,
        `${percent(fees.basisPoints)} + ${fees.fixedMinor}`,
        `${latencyMs.join(' to ')} ms`,
        `${percent(webhookFaults.lost * 10_000)}, ${percent(webhookFaults.repeated * 10_000)}`,
      ]),
    ),
    '',
    tableOf(
      ['token', 'what happens'],
      Object.entries(tokenClasses).map(([name, { about }]) => [code(name), about]),
    ),
    '',
    `What ${code('tok_mixed')} draws, in parts of 100:`,
    '',
    tableOf(
      ['gateway', 'draws'],
      profiles.map(({ name, mixedShares }) => [code(name), mixedShares.map(([share, token]) => `${share} ${code(token)}`).join(', ')]),
    ),
    '',
  ].join('\n')
}
