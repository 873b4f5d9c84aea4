import { carrierCodes } from '#tracking'
import { code, tableOf } from './sources.ts'

const names: Readonly<Record<string, string>> = { dhl: 'DHL', fedex: 'FedEx', correios: 'Correios', fms: 'The fulfilment monolith' }

export function carrierCodesPage(): string {
  return [
    '# Codes of carriers',
    '',
    'What the codes of each carrier say of where a parcel stands. A code in two parts (`DE/08`) has a row of its own or is read by its first part (`DE`). A code',
    'without a milestone moves nothing. A code that no table has is kept and shown on the timeline, and moves nothing either; `tracking.list_unknown_codes` names those that came.',
    '',
    'The tables are ours, made from what the carriers publish; none of them has seen this. Compare them with your contract before you rely on a row. They are data:',
    'a file for each carrier in `src/tracking/carriers`. A row that is changed holds for facts that come after it.',
    ...Object.entries(carrierCodes).flatMap(([name, table]) => [
      '',
      `## ${names[name] ?? name}`,
      '',
      `Source ${code(name)}.`,
      '',
      tableOf(
        ['code', 'milestone', 'says'],
        Object.entries(table).map(([each, { milestone, meaning }]) => [code(each), milestone ?? '', meaning]),
      ),
    ]),
    '',
  ].join('\n')
}
