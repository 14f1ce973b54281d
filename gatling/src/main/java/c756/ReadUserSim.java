package c756;

import static io.gatling.javaapi.core.CoreDsl.feed;

/** Every user reads one user per second. */
public final class ReadUserSim extends LoadSimulation {
    {
        forever(feed(Data.users()).exec(UserApi.READ).exec(waitOneSecond()));
    }
}
