export { columns } from './columns.ts'
export { type FileReport, type HotFolder, openHotFolder } from './hot-folder.ts'
