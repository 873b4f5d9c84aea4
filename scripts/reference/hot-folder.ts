import { columns, containerColumns } from '#partners/hot-folder/index.ts'
import { code, tableOf } from './sources.ts'

export function hotFolderPage(): string {
  return [
    '# Files of the hot folder',
    '',
    'Where a file is dropped says what it is:',
    '',
    tableOf(
      ['dropped into', 'name', 'what it is'],
      [
        [code('DIR'), `${code('NAME.tsv')} or ${code('NAME.csv')}`, 'orders: a line an item'],
        [code('DIR/containers'), `${code('NAME.tsv')} or ${code('NAME.csv')}`, 'containers: a line a container'],
        [
          code('DIR/settlement'),
          `${code('GATEWAY.anything.csv')} or ${code('.tsv')}`,
          'a settlement file as that gateway writes it; the name begins with the gateway, for the file does not say it',
        ],
      ],
    ),
    '',
    'Each folder has its own `working`, `done`, `failed` and `receipts`. Every file gets an outcome file of seven columns, a line for each of its lines: line, its name,',
    'outcome, what it became, code, field, sentence.',
    '',
    '## Orders',
    '',
    'For the [hot folder](../../src/partners/hot-folder/README.md). The columns may stand in any order; each must have one of these names. Columns of',
    'the order are the same on each of its lines, those of the section on each line with the same `section`. What a cell may hold is what',
    '`orders.place` takes ([API](api.md)).',
    '',
    tableOf(
      ['column', 'about the', 'needed', 'holds'],
      columns.map(({ name, level, required, about }) => [code(name), level, required ? 'yes' : '', about]),
    ),
    '',
    '## Containers',
    '',
    'A line is one container, registered as `containers.register` does it. Outcomes: registered, known (it was registered just so before), refused.',
    '',
    tableOf(
      ['column', 'needed', 'holds'],
      containerColumns.map(({ name, required, about }) => [code(name), required ? 'yes' : '', about]),
    ),
    '',
    '## Settlements',
    '',
    'Lines are read by the reader of the gateway and kept, each with what it is of ours.',
    '',
    tableOf(
      ['outcome', 'means'],
      [
        ['matched', 'a charge, capture, refund or chargeback that we hold, with this amount'],
        ['fee', 'it moves no money of an order'],
        [code('amount_differs'), 'we hold it with another amount or currency'],
        [code('not_done'), 'we know it and do not hold it as done; looked up again when the file comes again'],
        ['unknown', 'it is nothing of ours; looked up again when the file comes again'],
        ['doubled', 'another line has settled it'],
        ['refused', 'it can not be read, or does not add up; not kept'],
      ],
    ),
    '',
  ].join('\n')
}
