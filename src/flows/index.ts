export { type FlowDeps, orderToDoorstep } from './order-to-doorstep.ts'
