"""A real SLURM on this machine: one node with fake GPUs, on loopback, in a scratch folder.

No munge, no systemd, no database, no root: slurmctld and slurmd from the distribution's packages,
with settings of their own. More CPUs and memory are declared than the machine has.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

_SETTINGS = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=10
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
ReturnToService=2
MinJobAge=600
KillWait=5
SchedulerParameters=sched_interval=2,bf_interval=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=3000 State=UP
PartitionName=gpu Nodes={host} MaxTime=3000 State=UP
"""
# SLURM counts and hands out device files; which ones it does not mind.
_GPUS = "Name=gpu Type=fake File=/dev/null\nName=gpu Type=fake File=/dev/zero\n"


class Cluster:
    """A cluster that has been started; :meth:`stop` leaves no process behind.

    Args:
        folder: Where its settings, logs and state go.
        cpus: How many CPUs it says it has.

    Attributes:
        environment: What its commands need.
    """

    def __init__(self, folder: Path, *, cpus: int = 4) -> None:
        self.folder = folder
        binaries = folder / "bin"
        for sub in (folder / "state", folder / "spool", binaries):
            sub.mkdir(parents=True)
        ports = _free_ports(2)
        settings = _SETTINGS.format(
            host=socket.gethostname().partition(".")[0],
            user=_user_name(),
            folder=folder,
            cpus=cpus,
            port=ports[0],
            node_port=ports[1],
        )
        (folder / "slurm.conf").write_text(settings)
        (folder / "gres.conf").write_text(_GPUS)
        # The plugin hides SLURM's variables from the srun in its jobs, this one too.
        wrapper = binaries / "srun"
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        wrapper.chmod(0o755)
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{binaries}:{os.environ['PATH']}",
        }
        for daemon in ("slurmctld", "slurmd"):
            self.run(daemon)
        self._wait_until_idle()

    def run(self, *command: str) -> str:
        """Runs one of SLURM's commands and gives what it prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{self.logs()}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Comment (rule and wildcards) of each job in the queue, by its number."""
        lines = self.run("squeue", "--noheader", "--states=RUNNING", "--format=%i|%k").splitlines()
        return dict(line.split("|", 1) for line in lines)

    def logs(self) -> str:
        """What the daemons said."""
        files = [self.folder / f"{name}.log" for name in ("slurmctld", "slurmd")]
        return "".join(f"\n{file.name}:\n{file.read_text()}" for file in files if file.exists())

    def stop(self) -> None:
        """Cancels all jobs and stops both daemons and whatever their jobs have left."""
        user = ["--user", _user_name()]
        subprocess.run(["scancel", *user], env=self.environment, capture_output=True, check=False)
        time.sleep(2)
        for name in ("slurmd", "slurmctld"):
            file = self.folder / f"{name}.pid"
            if file.exists():
                _end(int(file.read_text()))
        for pid in self.processes():
            _end(pid)

    def processes(self) -> list[int]:
        """Processes of this cluster: daemons, and jobs with their descendants."""
        mark = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:  # ended meanwhile, or another user's
                continue
            if mark in environment and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        return found

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + 30
        while "idle" not in self.run("sinfo", "--noheader", "--format=%T"):
            assert time.monotonic() < deadline, f"the node did not come up{self.logs()}"
            time.sleep(0.2)


def _end(pid: int) -> None:
    """Ends a process, gently for five seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            for _ in range(50):
                time.sleep(0.1)
                os.kill(pid, 0)
                if _is_zombie(pid):
                    return
        except ProcessLookupError:
            return


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports
