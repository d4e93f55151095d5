/** Name of a file of conf/systemd/drop-ins, without `.conf`. */
type DropIn = 'docker-events' | 'kmsg' | 'low-ports' | 'proc'

/**
 * Returns the clause of a hint that says how the systemd unit allows what its sandbox forbids. Installations put the
 * drop-ins into one folder, and into use those that somebody copies.
 */
export function useDropIn(name: DropIn): string {
  return `for the systemd unit, copy /etc/shipper/drop-ins/${name}.conf to /etc/systemd/system/shipper.service.d/`
}
