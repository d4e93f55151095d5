import { ShipperError } from '../../core/error.ts'

/** That a server has refused records without a sign that they are at fault: another one may take them. */
export class RequestRefused extends ShipperError {}
