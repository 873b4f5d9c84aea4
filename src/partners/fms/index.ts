export { eventColumns, type FmsColumn, shipmentColumns } from './columns.ts'
export { type DifferenceKind, differenceKinds, ShipmentTrail } from './differences.ts'
export { type Defect, fmsSource, type FmsShipment, isDefect, readEvent, readShipment } from './rows.ts'
