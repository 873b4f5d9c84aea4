import { differenceKinds, eventColumns, type FmsColumn, shipmentColumns } from '#partners/fms/index.ts'
import { code, tableOf } from './sources.ts'

const columnTable = (columns: readonly FmsColumn[]): string =>
  tableOf(
    ['column', 'needed', 'holds'],
    columns.map(({ name, needed, about }) => [code(name), needed ? 'yes' : '', about]),
  )

export function fmsFilesPage(): string {
  return [
    '# Files of the fulfilment monolith',
    '',
    'What `throughline import fms DIR` reads: two files of CSV in UTF-8, each with a header, its columns in any order. We have not seen an export of the real one; the',
    'columns are those of its two tables as they were described, and a query that selects them under these names makes the files. No cell has a line end in it.',
    '',
    '## shipments.csv',
    '',
    columnTable(shipmentColumns),
    '',
    '## tracking.csv',
    '',
    columnTable(eventColumns),
    '',
    '## The outcome',
    '',
    'A CSV file, `fms-outcome.csv` unless `--outcome` says otherwise: what, file, line (the header is line 1), field, code, detail.',
    '',
    tableOf(
      ['what', 'means'],
      [
        [code('broken'), 'the line was not taken, and why; others were'],
        [code('noted'), 'the line was taken, but not just as it stands'],
        [code('differs'), 'the shipment was taken, and its status there is not what its events say; the code is one of those below'],
      ],
    ),
    '',
    tableOf(
      ['code', 'the monolith shows something else because'],
      Object.entries(differenceKinds).map(([kind, about]) => [code(kind), about]),
    ),
    '',
    'Tracking goes by the events: a status is compared and never taken over. To bring a status over that no event tells, add a row to tracking.csv and import again.',
    '',
  ].join('\n')
}
