define void @halve(double %x, ptr align 8 %y, ptr align 4 %n) #0 {
entry:
  %v = alloca double, align 8
  %trip = alloca i32, align 4
  store double %x, ptr %v, align 8
  store i32 0, ptr %trip, align 4
  br label %loop

loop:
  %0 = load i32, ptr %trip, align 4
  %1 = icmp slt i32 %0, 50
  br i1 %1, label %body, label %done

body:
  %2 = load double, ptr %v, align 8
  %3 = fcmp ogt double %2, 1.000000e+00
  br i1 %3, label %on, label %done

on:
  %4 = load double, ptr %v, align 8
  %5 = fdiv double %4, 2.000000e+00
  store double %5, ptr %v, align 8
  %6 = load i32, ptr %trip, align 4
  %7 = add nsw i32 %6, 1
  store i32 %7, ptr %trip, align 4
  br label %loop

done:
  %8 = load double, ptr %v, align 8
  store double %8, ptr %y, align 8
  %9 = load i32, ptr %trip, align 4
  store i32 %9, ptr %n, align 4
  ret void
}
