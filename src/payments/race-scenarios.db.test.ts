import { playRaces } from '#test/races.ts'
import { lockOrder, sharesUnderDeclines, timeoutAfterCharge, twoFullRefunds, webhookThrice } from './race-scenarios-rig.ts'

// Those rows of the table that are about payments alone; the others are in test/races. `npm run races` plays both.
playRaces('of payments', {
  webhookThrice: {
    scenario: webhookThrice,
    says: 'the same webhook three times at once with the answer of the call: one capture',
    short: 5,
    most: 5_000,
  },
  twoFullRefunds: { scenario: twoFullRefunds, says: 'two full refunds at once: exactly one', short: 5, most: 5_000 },
  timeoutAfterCharge: { scenario: timeoutAfterCharge, says: 'a time-out after charging and a retry: charged once', short: 5, most: 2_000 },
  sharesUnderDeclines: {
    scenario: sharesUnderDeclines,
    says: '1,000 payments at 70 to 30 with soft declines: within one of 700',
    short: 1,
    most: 20,
  },
  lockOrder: { scenario: lockOrder, says: 'webhook and API in different order: no deadlock', short: 150, most: 100_000 },
})
