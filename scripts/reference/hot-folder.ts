import { columns } from '#partners/hot-folder/index.ts'
import { code, tableOf } from './sources.ts'

export function hotFolderPage(): string {
  return [
    '# Columns of order files',
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
  ].join('\n')
}
