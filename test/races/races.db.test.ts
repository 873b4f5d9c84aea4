import { playRaces } from '#test/races.ts'
import { quotaPlaces, walletBalance } from './counter-scenarios.ts'
import { doubleSubmit, killNine, orderNumbers } from './process-scenarios.ts'

// Rows of the table that need more than payments; those of payments alone are in src/payments/race-scenarios.db.test.ts.
playRaces('of the whole', {
  doubleSubmit: { scenario: doubleSubmit, says: 'one order a key, from 18 processes with 10 workers', short: 4, most: 500 },
  orderNumbers: { scenario: orderNumbers, says: 'no order number twice, from 16 processes with kills', most: 10_000 },
  walletBalance: { scenario: walletBalance, says: 'sixteen clients on one balance: exact', short: 25, most: 5_000 },
  quotaPlaces: { scenario: quotaPlaces, says: 'sixteen clients on one quota: exact', short: 20, most: 2_000 },
  killNine: { scenario: killNine, says: 'killed at any step, every order ends and the books agree', most: 4_000 },
})
