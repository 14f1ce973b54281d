package c756;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import sun.misc.Signal;

/**
 * When the virtual users of this process go home: at the end of the duration, or when somebody asks for it by SIGTERM or SIGINT.
 *
 * <p>Gatling writes its report only when all users have come to the end of their scenario; killed, it loses what is still in its buffers.
 * So every scenario asks {@link #goesOn()} before it begins again, and waits in short steps.
 */
final class Run {
    private static final AtomicBoolean STOPPED = new AtomicBoolean();
    private static final Optional<Duration> DURATION = Settings.current().duration();
    /** {@link System#nanoTime()} when the first user came. */
    private static final AtomicReference<Long> BEGIN = new AtomicReference<>();

    private Run() {}

    /** Whether a user may begin anew. The time counts from the first question, since Gatling may take seconds to start. */
    static boolean goesOn() {
        BEGIN.compareAndSet(null, System.nanoTime());
        long passed = System.nanoTime() - BEGIN.get();
        return !STOPPED.get() && DURATION.map(length -> passed < length.toNanos()).orElse(true);
    }

    /** From now on the signals of a person (^C) and of a kubelet or tools/kill-gatling.sh (TERM) end the run in order. */
    static void stopOnSignals() {
        for (String name : List.of("TERM", "INT")) {
            Signal.handle(new Signal(name), signal -> {
                if (!STOPPED.getAndSet(true)) {
                    System.out.println("load: SIG" + signal.getName() + ": the users finish what they do, then the report is written");
                }
            });
        }
    }
}
