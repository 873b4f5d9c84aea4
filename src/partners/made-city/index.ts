export { type Address, orderOf, seeded } from './customers.ts'
export { demoStore, goods } from './goods.ts'
export { playRound, type StaffDesk, type StaffMove, type WaitingWaybill } from './staff.ts'
