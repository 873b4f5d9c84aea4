import { UsageError, type Verb } from './command.ts'

export const importVerb: Verb = {
  name: 'import',
  about: 'play recorded orders through the operations that a storefront calls',
  usage: 'throughline import olist DIR [--json]',
  async run() {
    throw new UsageError('not yet')
  },
}
