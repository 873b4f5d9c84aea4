import { keepsTheExchangeContract, contractPartners } from '#platform/exchange-contract-rig.ts'
import { openPartnerQueues } from './index.ts'

const quiet = { warn: () => undefined }
const queueMost = 1_000
let opened = 0

keepsTheExchangeContract({
  name: 'tables of our own',
  queueMost,
  open: async (t) => {
    opened += 1
    return openPartnerQueues({
      database: t.databases.of('messaging'),
      partners: contractPartners,
      holder: `process-${opened}`,
      queueMost,
      pollMs: 20,
      log: quiet,
    })
  },
  close: async () => undefined,
})
